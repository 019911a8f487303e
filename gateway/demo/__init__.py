"""The demo: `python -m gateway.demo`, which is what `make run` does.

Two gateways on loopback, one for domains below demo.test, one that plays the outside world. A component attaches to
the first and sends a message to the second; every step there and back is shown.

running.py     start both gateways, run the story, stay up until Ctrl-C
authority.py   a certificate authority to throw away
material.py    certificates and secrets to throw away
names.py       a nameserver that knows both sides
outside.py     the second gateway, a separate process
visitor.py     the component
people.py      two accounts
narrator.py    what happens, as plain lines
story.py       the order of events
"""
