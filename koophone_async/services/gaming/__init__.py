"""Cloud mobile gaming: applications, their versions, and where these are deployed (CPH 5 of 2020-07-30)."""
