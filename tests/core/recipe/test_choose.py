"""The components that a recipe chooses."""


def test_faults_of_components_are_told_beside_each_other(load, problems):
    faults = problems(lambda: load("generator.size=2", "teacher.threshold=3", "objective.name=kll", "student.gain=a"))
    assert set(faults) == {"generator.size", "teacher.threshold", "objective", "student.gain"}
    assert "kdkit plugins info brightness" in faults["teacher.threshold"]


def test_a_metric_listed_twice_is_refused(load, problems):
    faults = problems(lambda: load("evaluation.metrics=[overlap, {name: overlap}]"))
    assert faults == {"evaluation.metrics.1": "overlap is listed twice; give one of them a label of its own"}


def test_a_margin_for_a_metric_that_is_not_measured_is_refused(load, problems):
    faults = problems(lambda: load("evaluation.margin.overlapp=0.05"))
    assert faults == {"evaluation.margin.overlapp": "is not among the metrics; did you mean overlap?"}
    assert load("evaluation.margin.overlap=0.05").margin("overlap") == 0.05


def test_a_metric_may_stand_twice_under_labels_of_its_own(load, problems):
    experiment = load("evaluation.metrics=[overlap, {name: overlap, label: again}]", "evaluation.margin.again=0.5")
    assert list(experiment.metrics) == ["overlap", "again"]
    assert {type(metric).__name__ for metric in experiment.metrics.values()} == {"Overlap"}
    assert experiment.margin("again") == 0.5
    resolved = experiment.resolved_tree()["evaluation"]["metrics"]
    assert [(metric["name"], metric.get("label")) for metric in resolved] == [("overlap", None), ("overlap", "again")]
    assert problems(lambda: load("evaluation.metrics=[{name: overlap, label: ''}]")).keys() == {
        "evaluation.metrics.0.label"
    }


def test_the_domains_margin_goes_by_the_name_behind_a_label(load, monkeypatch):
    experiment = load("evaluation.metrics=[{name: overlap, label: again}]")
    monkeypatch.setattr(type(experiment.domain), "margins", {"overlap": 0.1, "again": 9.0})
    assert experiment.margin("again") == 0.1
