"""Decoders: from the bytes of an answer to its model, fast where possible, tolerant where necessary.

There are two, because the documents contradict each other and the services are looser than their documents:
numbers arrive as strings, fields as null, states that no document lists. Reading all that takes time, and
nearly no answer needs it.

- `fast` compiles a msgspec decoder for each answer class. It decodes documented answers in C, without an
  intermediate `dict`: KooPhone's list of 100 phones takes a tenth of the time
  (`benchmarks/README.md`).
- `fallback` decodes any answer: it repairs invalid JSON, unwraps the envelope (`dialect`), and builds
  the model value by value (`rows`), so that a value that cannot be read spoils only its own row. It also
  recognises errors and raises them.

**The contract.** Let `body` be the body of a 2xx response.

1. The fast decoder returns a model or raises one of `NOT_DECODED`. It never returns a model for an error, for
   an answer whose envelope is not the documented one, or for a value that it would have to guess.
2. Where it returns a model, the fallback decoder returns an equal one, with values of the same types.
3. Where it raises, the fallback decoder reads the answer, and decides: a model, `Refused`, `NoAnswer` or
   `UnreadableAnswer`.

So the fast decoder can be removed without changing any result, and a doubtful case is always resolved by
making it raise. `tests/wire/test_fast_decoder.py` checks the contract for each operation, with generated
answers.

There are three exceptions, none in values that a document describes: the fast decoder ignores invalid UTF-8
and numbers out of range in fields that the model does not have, and it rounds fractions of a second beyond
six digits, which the fallback truncates.
"""
