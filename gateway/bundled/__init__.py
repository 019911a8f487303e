"""Services that come with the gateway and speak HTTP; an operator turns one on with `serve = "webhook"`.

webhook.py   programs send messages by HTTP, and get the answers by HTTP
alerts.py    reports of Prometheus' Alertmanager, as messages to people
intake.py    the HTTP port that takes JSON from programs that have a token
posting.py   posts to a program, one after the other, until it has accepted each
accepted.py  ids of recent requests, so that a repeated one is not carried out twice
options.py   options that several of these services have
"""
