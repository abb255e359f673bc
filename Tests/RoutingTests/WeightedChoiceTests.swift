import Routing
import Testing

@Suite struct WeightedChoiceTests {
    @Test func eachEntryTakesItsShare() throws {
        let choice = try WeightedChoice(weights: [2, 0, 3, 1], route: "r")
        defer { choice.destroy() }
        #expect(choice.totalWeight == 6)
        #expect((0..<6).map { choice.index(for: $0) } == [0, 0, 2, 2, 2, 3])
        #expect(choice.index(for: 6) == 0)
        #expect(choice.index(for: UInt64.max) == Int([0, 0, 2, 2, 2, 3][Int(UInt64.max % 6)]))
    }

    @Test func sumsHaveBounds() throws {
        let largest = try WeightedChoice(weights: [UInt32.max - 1, 1], route: "r")
        defer { largest.destroy() }
        #expect(largest.index(for: UInt64(UInt32.max) - 1) == 1)
        func message(_ weights: [UInt32]) -> String? {
            do throws(RoutingError) {
                try WeightedChoice(weights: weights, route: "r").destroy()
                return nil
            } catch {
                return error.message
            }
        }
        #expect(message([0, 0]) == "Sum of weights in the weighted_cluster must be greater than 0.")
        #expect(message([]) == "Sum of weights in the weighted_cluster must be greater than 0.")
        #expect(
            message([UInt32.max, 1]) == "The sum of weights of all weighted clusters of route r exceeds 4294967295")
    }
}
