"""Rules: one cause a module, discovered by ``analyzers.classify``. Listing this folder lists the catalogue.

A module ``rbac_denied`` holds ``RULE = Rule(id="rbac-denied", …)``; its docstring is the rule's page in the docs.
"""
