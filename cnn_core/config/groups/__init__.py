"""The settings themselves, one file for each group of the form; `config.schema` joins them into `TrainConfig`."""
