"""The mathematics: noise levels, schedules, samplers, objectives. Knows no network, text or file."""
