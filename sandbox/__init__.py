"""A local Klaviyo: its HTTP API over a synthetic account, for the demo, development, tests and benchmarks.

Imports nothing of the pipeline. It reads the same contract facts (a data file) that the source obeys, and both are held
against Klaviyo's official OpenAPI document by tests.
"""
