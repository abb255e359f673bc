/// Placeholder for the next commit.
package struct TagExtraction {
    package init() {}
}
