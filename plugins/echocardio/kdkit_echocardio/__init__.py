"""Left-ventricle segmentation in cardiac ultrasound, distilled without data: a domain plugin of kdkit."""
