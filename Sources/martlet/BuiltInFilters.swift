// The HTTP filters of this build, one line each.

import Control

enum BuiltInFilters {
    static var all: [FilterRegistration] { [] }
}
