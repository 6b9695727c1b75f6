"""The one exception for everything a user can cause."""


class AIGCError(Exception):
    """Carries one sentence that says what was wrong and what to do; shown to the user as it is."""
