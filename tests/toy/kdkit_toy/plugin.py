from kdkit import Entry, hookimpl


@hookimpl
def kdkit_generators():
    return [Entry("discs", "Bright discs that grow and shrink", "kdkit_toy.discs:Discs")]


@hookimpl
def kdkit_teachers():
    return [
        Entry("brightness", "Calls bright pixels foreground", "kdkit_toy.models:Brightness"),
        Entry("constant", "Says the same of everything", "kdkit_toy.models:Constant"),
        Entry("not-finite", "Says nothing that is a number", "kdkit_toy.models:NotFinite"),
    ]


@hookimpl
def kdkit_students():
    return [Entry("pixelwise", "One 3x3 convolution on each frame", "kdkit_toy.models:Pixelwise")]


@hookimpl
def kdkit_metrics():
    return [Entry("overlap", "Dice coefficient of a clip", "kdkit_toy.models:Overlap")]


@hookimpl
def kdkit_domains():
    return [Entry("toy", "Discs", "kdkit_toy.domain:Toy")]
