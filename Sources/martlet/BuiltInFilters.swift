// The HTTP filters of this build: the list is in the target Extensions.

import Extensions
import Pipeline

enum BuiltInFilters {
    static var all: [FilterExtension] { HTTPFilters.all }
}
