// From addresses to functions: the loaded modules and their symbol tables. Reads files, so never on main or a worker.

import CMartlet
import Glibc

package struct CodeMap {
    package struct Module: Equatable {
        package var path: String
        package var start: UInt64
        package var end: UInt64
        package var bias: UInt64
        package var offset: UInt64
        package var buildID: String
    }

    package struct Function: Hashable {
        /// As the programmer wrote it; of a function without a symbol, the module and where in it the function begins.
        package var name: String
        /// As the linker knows it.
        package var linkName: String
        /// Index into `modules`; -1: none.
        package var module: Int
        package var start: UInt64
    }

    package private(set) var modules: [Module] = []
    package private(set) var functions: [Function] = []
    private var functionOf: [UInt64: Int] = [:]

    /// `frames`: stacks, innermost first, as profiles have them.
    package init(_ stacks: [[UInt64]]) {
        listModules()
        var addresses = Set<UInt64>()
        for stack in stacks {
            for (depth, address) in stack.enumerated() { addresses.insert(CodeMap.place(address, depth)) }
        }
        var byModule: [Int: [UInt64]] = [:]
        for address in addresses { byModule[module(of: address), default: []].append(address) }
        var known: [Function: Int] = [:]
        for (module, addresses) in byModule {
            for (address, function) in find(addresses.sorted(), in: module) {
                let function = inKernel(address, function)
                let index = known[function] ?? functions.count
                if index == functions.count {
                    known[function] = index
                    functions.append(function)
                }
                functionOf[address] = index
            }
        }
    }

    /// Index into `functions`.
    package func function(_ address: UInt64, depth: Int) -> Int { functionOf[CodeMap.place(address, depth)] ?? -1 }

    package func name(_ address: UInt64, depth: Int) -> String {
        let index = function(address, depth: depth)
        return index < 0 ? "?" : functions[index].name
    }

    /// A return address may be the first one behind its function: what matters is the call.
    package static func place(_ address: UInt64, _ depth: Int) -> UInt64 { depth == 0 ? address : address &- 1 }

    private mutating func listModules() {
        var program = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe max(0, readlink("/proc/self/exe", &program, program.count - 1))
        let programPath = String(decoding: program[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        while true {
            let facts = unsafe martlet_module_facts_of(modules.count)
            if unsafe facts.start == 0 { return }
            let id = unsafe UnsafeBufferPointer(start: facts.build_id, count: facts.build_id_bytes)
            let path = unsafe modules.isEmpty ? programPath : String(cString: facts.path)
            modules.append(
                Module(
                    path: path, start: unsafe UInt64(facts.start), end: unsafe UInt64(facts.end),
                    bias: unsafe UInt64(facts.bias), offset: unsafe facts.offset,
                    buildID: unsafe id.map { hex(UInt64($0), digits: 2) }.joined()))
        }
    }

    private func module(of address: UInt64) -> Int {
        modules.firstIndex { address >= $0.start && address < $0.end } ?? -1
    }

    private func find(_ addresses: [UInt64], in module: Int) -> [(UInt64, Function)] {
        guard module >= 0 else {
            return addresses.map { ($0, Function(name: "0x\(hex($0))", linkName: "", module: -1, start: $0)) }
        }
        let facts = modules[module]
        var file = unsafe martlet_symbol_file()
        let path = module == 0 ? "/proc/self/exe" : facts.path
        let isOpen = unsafe martlet_symbols_open(path, &file) == 0
        defer { if isOpen { unsafe martlet_symbols_close(&file) } }
        var symbols = unsafe [martlet_symbol](repeating: martlet_symbol(), count: addresses.count)
        if isOpen {
            unsafe martlet_symbols_find(&file, addresses.map { $0 &- facts.bias }, addresses.count, &symbols)
        }
        return unsafe zip(addresses, symbols).map { address, symbol in
            if let name = unsafe symbol.name {
                return unsafe (address, named(name, module, symbol.start &+ facts.bias))
            }
            let start = UInt64(martlet_function_start(UInt(address)))
            let place = start == 0 ? address : start
            let file = facts.path.split(separator: "/").last.map(String.init) ?? "?"
            return (address, Function(name: "\(file)+0x\(hex(place &- facts.bias))", linkName: "", module: module, start: place))
        }
    }

    /// The place behind a system call: the time is the kernel's.
    private func inKernel(_ address: UInt64, _ function: Function) -> Function {
        guard martlet_is_behind_system_call(UInt(address)) != 0 else { return function }
        var function = function
        function.name = "[kernel] " + function.name
        function.linkName = ""
        return function
    }

    private func named(_ name: UnsafePointer<CChar>, _ module: Int, _ start: UInt64) -> Function {
        let linkName = unsafe String(cString: name)
        guard let text = unsafe martlet_demangled(name) else {
            return Function(name: linkName, linkName: linkName, module: module, start: start)
        }
        defer { unsafe free(text) }
        let full = unsafe String(cString: text)
        return Function(
            name: linkName.hasPrefix("$s") ? FunctionName.shown(full) : full, linkName: linkName, module: module,
            start: start)
    }
}

func hex(_ value: UInt64, digits: Int = 1) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}
