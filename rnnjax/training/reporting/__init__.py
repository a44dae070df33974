"""What a run tells while it trains and afterwards: progress, metrics, curves, the report."""
