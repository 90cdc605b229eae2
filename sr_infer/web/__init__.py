"""A local page in the browser. Needs `sr-infer[web]`."""
