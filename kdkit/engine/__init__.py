"""Everything that runs on Lightning: labelling, training, predicting. Importing a module of it loads torch."""
