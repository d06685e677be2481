"""The schema's history. Migrations run one by one, each in a transaction of its own."""
