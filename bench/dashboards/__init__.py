"""The Grafana dashboards of deploy/mixin: written from one table of panels, and their queries drawn from a real run."""
