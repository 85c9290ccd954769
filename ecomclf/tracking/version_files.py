"""Names of the text files in the data folder of a registered version."""

CONFIG_FILE = "config.yaml"
ENSEMBLE_FILE = "ensemble.json"
REPORT_FILE = "report.json"
# Texts of the kind that the model takes, as a JSON list.
SAMPLES_FILE = "samples.json"
