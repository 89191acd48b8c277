"""The wire protocol of the services as pure functions: no I/O, no clock, no randomness of our own.

`signing` and `crypto` sign requests, `dialect` knows each service's envelope, `codes` classifies error codes,
`decoders` turn answers into models, `refusals` turn them into errors, `reading` puts these together, and
`redaction` keeps secrets out of texts.
"""
