"""What the dashboard serves: a leaderboard, and a queue of evaluations."""
