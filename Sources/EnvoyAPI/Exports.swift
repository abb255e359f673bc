// Whoever imports EnvoyAPI works with the messages: they come along, and so does what reads and prints them.
@_exported import ConfigTree
@_exported import EnvoyProtos
