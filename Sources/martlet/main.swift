// Wiring: the command line, the list of filters, the server.

import ArgumentParser

MartletCommand.main()
