"""Mistakes in the student, the metric, the objective and the domain."""

from __future__ import annotations

from mistake import Mistake

OBJECTIVE = """

from kdkit import Objective


class LeafObjective(Objective):
    def loss(self, logits, targets, weight=None):
        return {loss}
"""
OBJECTIVE_ENTRY = (
    (
        "plugin.py",
        "",
        "\n\n@hookimpl\ndef kdkit_objectives():\n"
        "    return [Entry('leaf-objective', 'A loss', 'kdkit_leaf.student:LeafObjective')]\n",
    ),
    ("recipe.yaml", "soft-bce", "leaf-objective"),
)

MISTAKES = [
    # The student.
    Mistake(
        "an axis too many",
        "student.py",
        "/ 255).squeeze(1)",
        "/ 255)",
        (r"the student \(1, 32, 32\)",),
        said_by_run=(r"the student \(1, 32, 32\)",),
    ),
    Mistake(
        "logits without gradients",
        "student.py",
        "/ 255).squeeze(1)",
        "/ 255).squeeze(1).detach()",
        ("no gradient can be computed",),
        said_by_run=(
            "the student leaf-student \\(kdkit-leaf 0\\.1\\) gives logits that depend on no weight",
            "Leave \\.detach\\(\\)",
        ),
    ),
    Mistake(
        "inputs are not described",
        "student.py",
        'inputs = "(batch, height, width) uint8, 0..255, grayscale"',
        'inputs = ""',
        (r"LeafStudent.inputs is ''",),
    ),
    # The metric.
    Mistake(
        "a number for cases",
        "metric.py",
        "return [(2 * int((true & found).sum()) / total if total else 1.0,)]",
        "return 2 * int((true & found).sum()) / total if total else 1.0",
        ("One sample gives tuples of finite numbers",),
        said_by_run=(
            "the metric leaf-metric \\(kdkit-leaf 0\\.1\\): measure\\(\\) gives [\\d.]+ for disc-00000",
            "a list of tuples of numbers",
            "metric\\.py, line",
        ),
    ),
    Mistake(
        "a metric without unit",
        "metric.py",
        '    unit = ""\n',
        "",
        ("Set unit",),
        said_by_run=("the metric leaf-metric \\(kdkit-leaf 0\\.1\\): LeafMetric\\.unit is missing", "metric\\.py"),
    ),
    Mistake(
        "a truth that nothing gives",
        "metric.py",
        'sample.truth["mask"].astype',
        'sample.truth["masks"].astype',
        ("KeyError: 'masks'", r"metric\.py, line"),
        said_by_run=("the metric leaf-metric .*KeyError: 'masks'", r"metric\.py, line"),
    ),
    # The domain.
    Mistake(
        "an activation misspelt",
        "domain.py",
        'activation = "sigmoid"',
        'activation = "sigmod"',
        ("activation is 'sigmod'",),
        said_by_run=("LeafDomain\\.activation is 'sigmod'; did you mean sigmoid", "domain\\.py"),
    ),
    Mistake(
        "a margin of no metric",
        "domain.py",
        'margins = {"leaf-metric": 0.02}',
        'margins = {"leaf-metrik": 0.02}',
        ("margins names leaf-metrik", "did you mean leaf-metric"),
    ),
    Mistake(
        "suffixes without a dot",
        "domain.py",
        '(".npy",)',
        '("npy",)',
        ("input_suffixes holds 'npy'",),
    ),
    Mistake(
        "what damaged files raise",
        "domain.py",
        "except (OSError, ValueError, EOFError) as",
        "except KeyError as",
        (r"a damaged \.npy file raises ValueError",),
    ),
    Mistake(
        "a gray contact sheet",
        "domain.py",
        "return np.repeat(row[..., None], 3, axis=-1)",
        "return row",
        (r"sheet\(\) gives ndarray uint8",),
    ),
    Mistake(
        "a row of numpy numbers",
        "domain.py",
        "round(float((prediction >= 0.5).mean()), 4)",
        "(prediction >= 0.5).mean(dtype=np.float32)",
        ("is not plain",),
    ),
    Mistake(
        "half an item",
        "domain.py",
        "    def sheet(",
        "    def items(self, sample):\n        return 0.5\n\n    def sheet(",
        (r"items\(\) gives 0\.5",),
        said_by_run=(
            "the domain leaf \\(kdkit-leaf 0\\.1\\): items\\(\\) gives 0\\.5 for disc-00000",
            "whole number of at least 1",
            "domain\\.py, line",
        ),
    ),
    # In a run alone.
    Mistake(
        "a student's class for its network",
        "student.py",
        "        return Network()",
        "        return Network",
        said_by_run=(r"the student leaf-student \(kdkit-leaf 0\.1\): build\(\) gives", r"student\.py, line"),
    ),
    Mistake(
        "layers that do not fit",
        "student.py",
        "nn.Conv2d(channels, 1, 3",
        "nn.Conv2d(channels + 1, 1, 3",
        said_by_run=(
            r"the student leaf-student \(kdkit-leaf 0\.1\) cannot take inputs uint8 \(1, 32, 32\): RuntimeError",
            r"student\.py, line",
        ),
    ),
    Mistake(
        "weights that nobody registers",
        "student.py",
        "self.layers = nn.Sequential(",
        "self.layers = (lambda layers: lambda inputs: layers(inputs))(nn.Sequential(",
        said_by_run=(r"the student leaf-student \(kdkit-leaf 0\.1\) has no weight that can be trained",),
        more=(("student.py", "3, padding=1),\n                )", "3, padding=1),\n                ))"),),
    ),
    Mistake(
        "logits and something else",
        "student.py",
        "return self.layers(inputs.unsqueeze(1).float() / 255).squeeze(1)",
        "return self.layers(inputs.unsqueeze(1).float() / 255).squeeze(1), inputs",
        said_by_run=(r"the student leaf-student .*returns tuple, not a tensor of logits",),
    ),
    Mistake(
        "cases without return",
        "metric.py",
        "        return [(2 * int",
        "        [(2 * int",
        said_by_run=(r"the metric leaf-metric .*measure\(\) gives None for disc-00000", r"metric\.py, line"),
    ),
    Mistake(
        "a summary of two numbers",
        "metric.py",
        "    def measure(",
        "    def summarize(self, cases):\n        return cases.mean(), cases.std()\n\n    def measure(",
        said_by_run=(r"the metric leaf-metric .*summarize\(\) gives a tuple of 2", "one number"),
    ),
    Mistake(
        "a loss for each sample",
        "student.py",
        "",
        OBJECTIVE.format(loss="(logits - targets).square().flatten(1).mean(1)"),
        said_by_run=(
            r"the objective leaf-objective \(kdkit-leaf 0\.1\): loss\(\) gives a Tensor float32 \(4,\)",
            "a floating tensor with one value",
            r"student\.py, line",
        ),
        more=OBJECTIVE_ENTRY,
    ),
    Mistake(
        "a loss that fails",
        "student.py",
        "",
        OBJECTIVE.format(loss="(logits - targets[:, :5]).square().mean()"),
        said_by_run=(
            r"the objective leaf-objective \(kdkit-leaf 0\.1\) failed in loss\(\): RuntimeError: The size of tensor",
            r"student\.py, line",
        ),
        more=OBJECTIVE_ENTRY,
    ),
    Mistake(
        "a loss without gradient",
        "student.py",
        "",
        OBJECTIVE.format(loss="(logits - targets).detach().square().mean()"),
        said_by_run=(r"the objective leaf-objective .*gives a loss of which no gradient reaches the logits",),
        more=OBJECTIVE_ENTRY,
    ),
    Mistake(
        "predictions in a list",
        "domain.py",
        "    def sheet(",
        "    def predict(self, sample, infer):\n        return infer([sample.inputs])\n\n    def sheet(",
        said_by_run=(r"the domain leaf .*predict\(\) gives a list of 1 ndarray for disc-00000", r"domain\.py, line"),
    ),
    Mistake(
        "a verdict that is printed",
        "domain.py",
        "    def sheet(",
        "    def check_teacher(self, samples, predictions):\n        str(predictions)\n\n    def sheet(",
        said_by_run=(r"the domain leaf .*check_teacher\(\) gives None", "one line of text"),
    ),
    Mistake(
        "bytes for figures",
        "domain.py",
        "    def sheet(",
        "    def figures(self, cases):\n        yield b'PNG'\n\n    def sheet(",
        said_by_run=(r"the domain leaf .*figures\(\) gives a list of 1 bytes", r"kdkit\.Figure"),
    ),
    Mistake(
        "a figure that cannot be drawn",
        "domain.py",
        "    def sheet(",
        "    def figures(self, cases):\n        yield cases[0].predictions['best']\n\n    def sheet(",
        said_by_run=(r"the domain leaf .*failed to draw the best case: KeyError: 'best'", r"domain\.py, line"),
    ),
    Mistake(
        "an overview that cannot be drawn",
        "domain.py",
        "    def sheet(",
        "    def overview(self, cases):\n        yield max(case.score for case in cases) / 0\n\n    def sheet(",
        said_by_run=(r"the domain leaf .*failed in overview\(\): ZeroDivisionError", r"domain\.py, line"),
    ),
]
