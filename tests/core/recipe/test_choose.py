"""The components that a recipe chooses."""


def test_faults_of_components_are_told_beside_each_other(load, problems):
    faults = problems(lambda: load("generator.size=2", "teacher.threshold=3", "objective.name=kll", "student.gain=a"))
    assert set(faults) == {"generator.size", "teacher.threshold", "objective", "student.gain"}
    assert "kdkit plugins info brightness" in faults["teacher.threshold"]


def test_a_metric_listed_twice_is_refused(load, problems):
    faults = problems(lambda: load("evaluation.metrics=[overlap, {name: overlap}]"))
    assert faults == {"evaluation.metrics.1": "overlap is listed twice"}


def test_a_margin_for_a_metric_that_is_not_measured_is_refused(load, problems):
    faults = problems(lambda: load("evaluation.margin.overlapp=0.05"))
    assert faults == {"evaluation.margin.overlapp": "is not among the metrics; did you mean overlap?"}
    assert load("evaluation.margin.overlap=0.05").margin("overlap") == 0.05
