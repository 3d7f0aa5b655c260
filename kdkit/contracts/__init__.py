"""The contracts: one base class a file. Plugin authors import them from :mod:`kdkit`."""
