"""Breast tumours from thirty measurements, distilled without a patient."""
