"""Names that people can say, made from fingerprints."""

from __future__ import annotations

_QUALITIES = """
amber bold brave bright brisk calm clear clever cosy crisp curious eager early fair fleet fond free gentle glad golden
green happy honest humble jolly keen kind lively lucky mellow merry mild neat nimble noble patient plain polite proud
quick quiet rapid ready rosy royal sharp shy silver simple sleek smart snug solid steady still stout sunny swift tame
tender tidy trusty vivid warm wise witty
""".split()
_ANIMALS = """
adder alpaca badger beaver bison bream camel carp cat chough crane cricket curlew deer dingo dormouse dove duck eagle
eel egret eland elk ferret finch fox frog gecko gibbon goose gull hare heron hornet ibex jackdaw kestrel koala lark
lemur lynx magpie marten mole moose moth newt ocelot otter owl panda perch pika plover puffin quail rabbit raven robin
salmon seal shrew swan tern toad trout turtle vole walrus weasel whale wolf wren yak zebra
""".split()


def name_of(fingerprint: str) -> str:
    """A quality and an animal, ``quiet-otter``, the same for the same hexadecimal fingerprint."""
    number = int(fingerprint, 16)
    return f"{_QUALITIES[number % len(_QUALITIES)]}-{_ANIMALS[number // len(_QUALITIES) % len(_ANIMALS)]}"
