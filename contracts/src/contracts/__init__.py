"""What Gatehouse's services know of each other, and all that they know of each other.

Reading order: `event` (a fact and its envelope) · `registration`, `healthcloud_bridge`, `health`, `gatekeeper`, `police`
(the facts) · `registry` (type name to class) · `topics` (who writes and who reads what) · `access` (who may do what) ·
`rejection` (what the business refuses).

The values that several services speak: `identity` and `citizen_id` (documents, names, mobiles) · `firms` · `districts`,
`trades`, `symptoms`, `people`, `codes` · `times`, `temperatures`, `texts` · `sealing` (the form of sealed data) ·
`policy`
(by which values people are judged) · `streams` (ids that follow from a name) · `invalid` (what may be wrong with a value).

Generated from them by `generate`, with `schemas`, `asyncapi` and `catalogue`: `contracts/schemas/`, `contracts/asyncapi/` and
`docs/events.md`.
`release` and `compatibility` see to it that no version that was released changes in more than optional additions.
"""
