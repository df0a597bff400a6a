"""What an owner decides while the program runs: settings in the database, which win over the environment's."""
