"""The control socket, through which commands reach the running service. Any user who may open the file may use it.

door.py          the service's side: one request and one answer, each a line of JSON
client.py        the commands' side
operator.py      one method for each request
filters.py       requests about filters
cluster.py       requests that all nodes of a cluster answer
conversation.py  the request to speak with another domain, for a report
place.py         the path of the socket
"""
