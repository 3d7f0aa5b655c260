"""Typical mistakes of plugin authors, one at a time, and what is said of each."""



