"""How is everything used from Python?"""
