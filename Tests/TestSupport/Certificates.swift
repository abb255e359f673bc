/// Certificates for one test, made by `openssl` in a directory of their own: an authority and what it signed.
package final class Certificates: Sendable {
    package let directory = TemporaryDirectory()
    package var authority: String { directory.path + "/ca.pem" }

    package struct Failed: Error, CustomStringConvertible {
        package let description: String
    }

    package init() throws {
        try run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 "
                + "-subj '/CN=Test CA' -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign")
    }

    package func chain(_ name: String) -> String { directory.path + "/\(name).pem" }
    package func key(_ name: String) -> String { directory.path + "/\(name).key" }

    /// `NAME.pem` and `NAME.key`. `names`: alternative names as openssl.cnf has them (`DNS:a.test,URI:spiffe://b/c`).
    /// Written beside, then renamed, as most tools do; `inPlace`: over the old ones, chain first. `more`: lines of extensions.
    /// `key`: what `openssl req -newkey` takes; nil: one of P-256.
    package func issue(_ name: String, names: String, rsa: Bool = false, key: String? = nil, inPlace: Bool = false, more: String = "") throws {
        let kind = key ?? (rsa ? "rsa:2048" : "ec -pkeyopt ec_paramgen_curve:P-256")
        directory.write("subjectAltName=\(names)\n\(more.contains("basicConstraints") ? "" : "basicConstraints=CA:FALSE\n")\(more)", to: "\(name).ext")
        try run("req -new -newkey \(kind) -nodes -keyout \(name).key.new -out \(name).csr -subj '/O=Acme/CN=\(name)'")
        try run(
            "x509 -req -in \(name).csr -CA ca.pem -CAkey ca.key -CAcreateserial -out \(name).pem.new -days 20 -extfile \(name).ext")
        for file in [chain(name), self.key(name)] {
            if inPlace {
                Files.write(Files.read(file + ".new") ?? [], to: file)
            } else if !Files.move(file + ".new", file) {
                throw Failed(description: "\(file) could be put in place")
            }
        }
    }

    /// `NAME.pem` and `NAME.key`, which an authority of its own signed: `BETWEEN.pem`, signed by the first one. A peer has to show both.
    package func issueBelow(_ between: String, _ name: String) throws {
        func request(_ name: String) throws {
            try run("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \(name).key -out \(name).csr -subj /CN=\(name)")
        }
        try request(between)
        directory.write("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n", to: "\(between).ext")
        try run("x509 -req -in \(between).csr -CA ca.pem -CAkey ca.key -CAcreateserial -out \(between).pem -days 9 -extfile \(between).ext")
        try request(name)
        try run("x509 -req -in \(name).csr -CA \(between).pem -CAkey \(between).key -CAcreateserial -out \(name).pem -days 9")
    }

    /// `NAME.pem`, which was good for a day of 2020, and its key.
    package func expire(_ name: String) throws {
        directory.write("[ca]\ndefault_ca=d\n[d]\ndatabase=dates\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n", to: "dates.conf")
        directory.write("", to: "dates")
        directory.write("5000\n", to: "serial")
        try run("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \(name).key -out \(name).csr -subj '/CN=\(name)'")
        try run(
            "ca -batch -config dates.conf -keyfile ca.key -cert ca.pem -in \(name).csr -out \(name).pem -startdate 20200101000000Z -enddate 20200102000000Z -notext")
    }

    /// `crl.pem`, in which the certificate of a name stands.
    package func revoke(_ name: String) throws {
        directory.write(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=9\n", to: "revoked.conf")
        directory.write("", to: "index")
        directory.write("01\n", to: "number")
        try run("ca -config revoked.conf -keyfile ca.key -cert ca.pem -revoke \(name).pem")
        try run("ca -config revoked.conf -keyfile ca.key -cert ca.pem -gencrl -out crl.pem")
    }

    /// `<name>.ocsp`: the authority says that the certificate is good.
    package func staple(_ name: String) throws {
        let serial = try run("x509 -in \(name).pem -noout -serial").split(separator: "=").last ?? ""
        directory.write("V\t401231235959Z\t\t\(serial.filter { !$0.isNewline })\tunknown\t/O=Acme/CN=\(name)\n", to: "\(name).index")
        try run("ocsp -issuer ca.pem -cert \(name).pem -reqout \(name).request -no_nonce")
        try run(
            "ocsp -index \(name).index -CA ca.pem -rsigner ca.pem -rkey ca.key -reqin \(name).request -respout \(name).ocsp -ndays 3 -noverify")
    }

    /// `<name>.old.ocsp`: the same, of years ago (its times are patched: the signature no longer fits, and no server looks at it).
    package func expireStaple(_ name: String) throws {
        // GeneralizedTime of fifteen characters.
        let finished = try Shell.run(
            "cd \(directory.path) && LC_ALL=C sed 's/\\x18\\x0f20[0-9][0-9]/\\x18\\x0f2020/g' \(name).ocsp > \(name).old.ocsp && ! cmp -s \(name).ocsp \(name).old.ocsp")
        guard finished.status == 0 else { throw Failed(description: "\(name).old.ocsp: \(finished.output)") }
    }

    /// Runs `openssl` in the directory.
    @discardableResult
    package func run(_ command: String) throws -> String {
        let finished = try Shell.run("cd \(directory.path) && openssl \(command)")
        guard finished.status == 0 else { throw Failed(description: "openssl \(command): \(finished.output)") }
        return finished.output
    }
}

/// A command line of the shell, as a test's client.
package enum Shell {
    package static func run(_ command: String, limitMs: Int = 15_000) throws -> Martlet.Finished {
        let process = try ChildProcess("/bin/sh", ["-c", command])
        let status = process.waitForExit(upToMs: limitMs)
        let output = process.output
        if status == nil { process.kill() }
        return Martlet.Finished(status: status, output: output)
    }

    package static func has(_ program: String) -> Bool { (try? run("command -v \(program)"))?.status == 0 }
}
