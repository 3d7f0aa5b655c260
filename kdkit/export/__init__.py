"""Writing a trained student in the forms of other programs, and comparing each file with the student."""
