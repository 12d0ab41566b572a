"""The custom resources of asr.gharial.dev/v1alpha1 as pydantic models; the CRDs are generated from them."""
