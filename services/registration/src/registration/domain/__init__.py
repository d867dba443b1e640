"""What registration decides, one file for each kind of stream: `station` · `contract` · `site` · `person`.

`declaration` is what a person's stream is told of Health Cloud.
"""
