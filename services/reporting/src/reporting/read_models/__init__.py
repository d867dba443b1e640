"""What is kept for supervision: `contracts` which contracts and employers there are · `people` how many people on each ·
`employments` who they are.
"""
