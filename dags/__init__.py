"""What runs when: Airflow's DAGs, each a plan of `jobs.plan` with a time. Names and order only, no logic."""
