"""HR pictures to aligned LR/HR patches: `python -m training.data DIR` shows what a folder holds."""
