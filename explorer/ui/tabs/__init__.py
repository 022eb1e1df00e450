"""The tabs of the model screen: each shows one side of a model, and follows it while it is read."""
