"""Put the shipped models and their catalogue into a program that PyInstaller freezes."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("sr_infer", includes=["models/*"])
