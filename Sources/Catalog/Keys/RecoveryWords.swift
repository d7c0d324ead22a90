/// The 256 words that recovery keys are written in: one for each value of a byte.
///
/// Short plain English words in alphabetical order, made for this list; no two begin with the same four letters, so
/// that those are enough. Their order is part of the format: never change it.
enum RecoveryWords {
    /// The words by number.
    static let all: [String] = text.split { $0 == " " || $0 == "\n" }.map(String.init)

    private static let text = """
        able acid acre aged also amber angle apple apron arch arena armor arrow aspen atlas audio autumn awake axis
        bacon badge bagel baker bamboo banjo barn basil beach bead bean berry bike birch bison blade blanket blue
        board bolt bonus book bottle brave bread brick bronze bubble bucket cabin cable cactus camel candle canyon
        carbon castle cedar chalk cherry chimney circle citrus clay cliff clock cloud coast cobalt coffee comet
        copper coral cotton cradle crane crystal cube daisy dance dawn delta denim desert diamond dinner dolphin
        donkey dragon drum eagle early earth echo elbow elder ember empire engine envelope essay evening exit
        fabric falcon family feather fern fiddle field fig finger flame flute forest fossil fountain fox frost
        garden garlic gentle ginger giraffe glacier glove goat gold grape gravel guitar hammer harbor harvest hazel
        heron hill hobby honey horse hotel ice igloo indigo inkwell iris iron island ivory jacket jade jasmine
        jelly jewel jigsaw juice jungle kayak kernel kettle kiwi knight ladder lagoon lantern laurel lemon lilac
        linen lion lizard lobster lotus lunar magnet mango maple marble meadow melon metal mint mirror mitten
        monkey moss mountain museum napkin nectar needle nephew nickel night noble north nutmeg oak oasis ocean
        olive onion opal orange orbit orchid otter oxygen paddle panda paper parrot peach pebble pencil pepper
        piano pigeon pilot planet plum pocket poem pollen pond purple puzzle quartz quiet rabbit radio raven ribbon
        river robin rocket saddle sailor salmon satin scarf silver siren sketch snow soap solar spruce squirrel
        tango teapot thunder tiger tulip umbrella velvet violin
        """

    private static let numbers: [Substring: UInt8] = Dictionary(
        uniqueKeysWithValues: zip(all.map { $0.prefix(4) }, UInt8.min...UInt8.max))

    /// The number of a word, or of its first four letters; `nil` when it is not in the list.
    static func number(of word: String) -> UInt8? {
        guard let number = numbers[word.prefix(4)] else { return nil }
        let full = all[Int(number)]
        return word == full || word == full.prefix(4) ? number : nil
    }
}
