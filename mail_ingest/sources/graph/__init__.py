"""The one door to Microsoft Graph: app-only, over HTTP, without a database.

`client.Graph` carries the connection, the token, the retries and the limit of simultaneous requests. What can be asked of a
mailbox are functions that take it: `delta.rounds`, `messages.listing`, `messages.mime`, `folders.move`, `subscriptions.*`,
`sending.*`. `notifications.parse` reads what the webhook gets, `explanations.explain` says in plain words what went wrong.
Everything that comes back is a dataclass of ours, every failure one of `errors`.
"""
