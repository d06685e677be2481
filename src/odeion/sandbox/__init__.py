"""Child processes that read hostile bytes: they may crash or hang, and take nothing with them."""
