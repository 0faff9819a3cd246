"""What all pages share: one layout, one stylesheet, one script, and figures as SVG that scale and can be hovered.

The figures of a page are hand-made and not matplotlib's: theirs have letters that shrink with the width, colours that
fit one background, and two to four times the bytes. The files beside a page are still matplotlib's.
"""
