"""Every way in which a plugin can be broken, as the page on troubleshooting lists them."""

HOOK = "from kdkit import Entry, hookimpl\n\n@hookimpl\ndef kdkit_{kind}s():\n    {body}\n"


def hook(body, kind="teacher"):
    return HOOK.format(kind=kind, body=body)


def points_at(target):
    return hook(f"return [Entry('old-teacher', 'Old', {target!r})]")


PART = "from kdkit import ComponentOptions, Teacher\n\nclass Old(Teacher):\n    'Old.'\n"

# What is written into the hook module, and into the entry point if that is at fault.
BROKEN_PLUGINS = {
    "missing dependency": ("import theano\n", None),
    "syntax error": ("def kdkit_teachers(:\n", None),
    "sys.exit": ("import sys\nsys.exit(1)\n", None),
    "raises in a hook": (hook("raise ValueError('no licence found')"), None),
    "unknown hook": (hook("return []", "techer"), None),
    "wrong return type": (hook("return 'old-teacher'"), None),
    "forgotten return": (hook("[Entry('old-teacher', 'Old', 'old_parts:Old')]"), None),
    "bad component name": (hook("return [Entry('Old Teacher', 'Old', 'old_parts:Old')]"), None),
    "no summary": (hook("return [Entry('old-teacher', '', 'old_parts:Old')]"), None),
    "bad import path": (points_at("old_parts.Old"), None),
    "interruption": ("raise KeyboardInterrupt", None),
    "exit": ("import os\nos._exit(1)", None),
    "entry point does not parse": ("", "old-thing = old-thing.plugin:"),
}

# Found when a recipe, or kdkit plugins info, names the component: what its entry points at, and the module there.
BROKEN_COMPONENTS = {
    "module missing": ("old_nothing:Old", ""),
    "class missing": ("old_parts:Odl", PART),
    "not derived": ("old_parts:Old", "class Old:\n    pass\n"),
    "options model": ("old_parts:Old", PART + "    class Options:\n        size = 3\n"),
    "newer contract": ("old_parts:Old", PART + "    contract_version = 2\n"),
}
