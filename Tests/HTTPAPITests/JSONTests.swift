import HTTPAPI
import Testing

@Suite("JSON")
struct JSONTests {
    @Test(
        "What is written is read back",
        arguments: [
            #"{"a":1,"b":[true,false,null],"c":{"d":"e"}}"#, #"[]"#, #"{}"#, #""""#, "-12", "1.5", #""\"\\\n\u0001é𝄞""#,
        ])
    func roundTrip(text: String) throws {
        let value = try JSON(parsing: text)
        #expect(try JSON(parsing: value.description) == value)
    }

    @Test("Order is kept and text is escaped")
    func writing() {
        let value: JSON = ["z": 1, "a": "tab\t\"quoted\" \\ \u{1}", "list": [.double(0.5), .double(.nan), .null]]
        #expect(value.description == #"{"z":1,"a":"tab\t\"quoted\" \\ \u0001","list":[0.5,0,null]}"#)
    }

    @Test("Surrogate pairs become one character")
    func surrogates() throws {
        #expect(try JSON(parsing: #""𝄞""#).text == "𝄞")
    }

    @Test(
        "What is not JSON is refused",
        arguments: [
            "", "{", "[1,]", "{\"a\":}", "tru", "nul", "'a'", "\"a", "\"\u{1}\"", "{\"a\":1,}", "1 2", "[1 2]", "-",
            "+1", "01", "1.", ".5", "1e", "1e999", "0x1", "--1", "1-1", "Infinity",
            #""\x""#, #""\u12""#, #""\ud834""#, #""\ud834A""#, #""\udd1e""#, "{1:2}", "\u{feff}1",
            String(repeating: "[", count: 100_000),
        ])
    func refused(text: String) {
        #expect(throws: JSONError.self) { try JSON(parsing: text) }
    }
}

@Suite("Parameters of a query")
struct ParametersTests {
    @Test("Arguments keep their order, options the last value")
    func parsing() throws {
        let parameters = try Parameters(query: "arg=a%2Fb&x=1&arg=c+d&x=2&flag=&unknown=y")
        #expect(parameters.arguments == ["a/b", "c d"])
        #expect(parameters.text("x") == "2")
        #expect(try parameters.flag("flag"))
        #expect(try parameters.flag("missing", default: true))
        #expect(try parameters.count("x") == 2)
    }

    @Test("What is built is read back")
    func roundTrip() throws {
        let built = Parameters(arguments: ["ä /?&=+%", ""], options: ["k&": "v=1"])
        let parsed = try Parameters(query: built.query[...])
        #expect(parsed.arguments == built.arguments)
        #expect(parsed.text("k&") == "v=1")
    }

    @Test("Broken escapes and numbers are the client's mistake", arguments: ["arg=%", "arg=%zz", "a=%ff", "%c3=1"])
    func broken(query: String) {
        #expect(throws: RPCError.self) { try Parameters(query: query[...]) }
    }

    @Test("Values of the wrong kind are refused", arguments: ["-1", "x", "1.5", "99999999999999999999"])
    func wrongNumber(text: String) throws {
        let parameters = Parameters(options: ["n": text, "t": "5 apples"])
        #expect(throws: RPCError.self) { try parameters.count("n") }
        #expect(throws: RPCError.self) { try parameters.time("t") }
        #expect(throws: RPCError.self) { try parameters.flag("t") }
    }

    @Test("A query without end is refused")
    func tooMany() {
        let query = String(repeating: "a=1&", count: 10_000)
        #expect(throws: RPCError.self) { try Parameters(query: query[...]) }
    }
}
