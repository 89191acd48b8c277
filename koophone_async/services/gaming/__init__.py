"""Cloud mobile gaming: applications, their versions and deployments (CPH 5 of 2020-07-30)."""
