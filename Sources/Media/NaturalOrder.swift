/// The order in which people read names: "Track 2" before "Track 10", case aside.
///
/// It is a strict order of all strings: names that read the same are told apart by their bytes.
enum NaturalOrder {
    static func isBefore(_ left: String, _ right: String) -> Bool {
        let (a, b) = (Array(left.lowercased().unicodeScalars), Array(right.lowercased().unicodeScalars))
        var (i, j) = (0, 0)
        while i < a.count, j < b.count {
            if isDigit(a[i]), isDigit(b[j]) {
                let (x, y) = (number(a, &i), number(b, &j))
                // Without leading zeros, the longer number is the greater.
                if x.count != y.count { return x.count < y.count }
                if let (p, q) = zip(x, y).first(where: { $0 != $1 }) { return p < q }
            } else {
                if a[i] != b[j] { return a[i] < b[j] }
                i += 1
                j += 1
            }
        }
        if (i < a.count) != (j < b.count) { return j < b.count }
        return left.utf8.lexicographicallyPrecedes(right.utf8)
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

    private static func number(_ text: [Unicode.Scalar], _ index: inout Int) -> ArraySlice<Unicode.Scalar> {
        let start = index
        while index < text.count, isDigit(text[index]) { index += 1 }
        return text[start..<index].drop { $0 == "0" }
    }
}
